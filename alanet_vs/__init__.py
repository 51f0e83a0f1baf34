"""ALANET's VapourSynth host; it knows only the public names of `alanet_core`."""
