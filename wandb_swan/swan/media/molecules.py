"""Molecules of MOL and SDF files, with all of their atoms."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .item import Item


def read(content: bytes, item: Item) -> Any:
    """RDKit's molecule of a MOL or SDF file. SwanLab 0.10 reads files itself, but leaves out hydrogen.

    Raises:
        ImportError: RDKit is not installed.
        ValueError: it is no molecule, or of another format.
    """
    chem: Any = importlib.import_module("rdkit.Chem")
    text = content.decode("utf-8", "replace")
    if item.suffix == ".mol":
        molecule = chem.MolFromMolBlock(text, removeHs=False)
    elif item.suffix in (".sdf", ".sd"):
        every = chem.SDMolSupplier()
        every.SetData(text, removeHs=False)
        count = len(every)
        molecule = every[0] if count else None
        if count > 1:
            item.lose("SwanLab shows the first molecule of a file", f"1 of {count}")
    else:
        raise ValueError(f"{item.suffix or 'no suffix'} is no format of SwanLab's")
    if molecule is None or not molecule.GetNumAtoms():
        raise ValueError("RDKit finds no molecule")
    fields = list(molecule.GetPropNames())
    if fields:
        item.lose("SwanLab's molecules have no data fields", ", ".join(fields)[:200])
    return molecule
