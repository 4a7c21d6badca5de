"""`fec doctor`: what is wrong with a folder of photos, a data set, a photo, a workdir, weights or this machine."""
