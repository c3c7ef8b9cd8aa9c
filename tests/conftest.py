"""Being here puts the project's root on `sys.path`, so that tests can import `tests.synthetic`."""
