"""What was expected of a SwanLab run, what its store holds, and the comparison of both."""
