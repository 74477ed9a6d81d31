"""What a VCH answers to each call, one kind of object a file."""
