"""How the system is entered: the command line and HTTP. Here, and only here, adapters are chosen."""
