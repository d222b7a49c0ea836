"""MATLAB's cell arrays of matrices, from files of version 5 and of version 7.3 (HDF5).

The one module that needs scipy and h5py; it is loaded only when such a file is read.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

Matrix = NDArray[np.float64]


def read_cell(path: Path, name: str) -> list[Matrix]:
    """Read a cell array of matrices.

    Args:
        path: File of either version.
        name: Name of the variable.

    Returns:
        The matrices in MATLAB's order, with the axes that MATLAB shows.

    Raises:
        ValueError: No such file of MATLAB, no such variable, or not such a cell.
    """
    if not path.is_file():
        raise ValueError("there is no such file")
    if h5py.is_hdf5(path):
        return _read_hdf5(path, name)
    try:
        variables = loadmat(path, variable_names=[name])
    except (
        MatReadError, OSError, ValueError, TypeError, KeyError, IndexError, EOFError,
        OverflowError, MemoryError, NotImplementedError, struct.error, zlib.error,
    ) as exc:  # scipy lets through whatever damaged bytes lead to  # fmt: skip
        raise ValueError(f"it is no file of MATLAB ({type(exc).__name__})") from exc
    cell = variables.get(name)
    if cell is None:
        raise ValueError(f"it holds no {name}")
    if cell.dtype != object:
        raise ValueError(f"{name} is no cell array")
    return [_matrix(name, item) for item in cell.ravel(order="F")]


def _read_hdf5(path: Path, name: str) -> list[Matrix]:
    """Follow the references of the cell; HDF5 holds every array with its axes turned round."""
    try:
        with h5py.File(path) as file:
            cell = file[name]
            if not isinstance(cell, h5py.Dataset) or cell.dtype != h5py.ref_dtype:
                raise ValueError(f"{name} is no cell array")
            return [_stored_matrix(name, file[reference]) for reference in cell[()].ravel()]
    except KeyError as exc:
        raise ValueError(f"it holds no {name}") from exc
    except (OSError, RuntimeError, TypeError) as exc:
        raise ValueError(f"it is no file of MATLAB ({exc})") from exc


def _stored_matrix(name: str, stored: object) -> Matrix:
    if not isinstance(stored, h5py.Dataset):
        raise ValueError(f"{name} holds something other than matrices")
    # An empty matrix is stored as its size, with a mark.
    if stored.attrs.get("MATLAB_empty", 0):
        return np.empty((0, 0))
    return _matrix(name, np.asarray(stored[()]).T)


def _matrix(name: str, item: object) -> Matrix:
    array = np.asarray(item)
    if array.dtype.kind not in "iufb" or array.ndim != 2:
        raise ValueError(f"{name} holds something other than matrices of numbers")
    return array.astype(np.float64)
