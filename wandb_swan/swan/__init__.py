"""The SwanLab side: the only folder that imports swanlab."""
