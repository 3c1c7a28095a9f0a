# What `cmake --install` lays down: the program, the shared library, headers, package files, the starter model.
include(GNUInstallDirs)
