"""What this machine can do, measured with the library's own means: the commands `mpc bench`."""
