"""ALANET's GStreamer host: the element `alanet`; it knows only the public names of `alanet_core`.

A buffer's way: `element` takes it in, `flow` gives it a place in time (`timing`), asks `pace` how much can be done for
it (`qos`, `mix`) and has the stream of `engine` make its pair, and `sender` sends both halves on (`outputs`,
`buffers`).
Importing this package needs nothing but Python.
"""
