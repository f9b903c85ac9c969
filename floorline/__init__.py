"""The application: command line, doctor, keys, supervisor."""

import resource
import sys

# Python would cut the compiled modules that it writes at the limit, and no later command could start.
if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
    sys.dont_write_bytecode = True
