"""A simulation of many machines: what saturates first, how late the data is, and how many sources fit."""
