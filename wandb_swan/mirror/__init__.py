"""The process that follows one journal and replays it into SwanLab, live or later."""
