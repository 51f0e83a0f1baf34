"""ALANET's GStreamer host; it knows only the public names of `alanet_core`."""
