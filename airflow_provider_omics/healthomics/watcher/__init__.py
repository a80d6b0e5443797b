"""The shared poller: one for all triggers of a connection in a triggerer process."""
