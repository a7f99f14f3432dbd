"""The door to SwanLab: every use of a name that SwanLab does not publish is in this folder."""
