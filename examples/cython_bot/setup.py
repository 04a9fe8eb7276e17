"""Compile the bot: `python setup.py build_ext --inplace`."""

from Cython.Build import cythonize
from setuptools import setup

setup(name="bot", ext_modules=cythonize("bot.pyx"))
