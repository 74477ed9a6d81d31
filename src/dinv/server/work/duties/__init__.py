"""What one server does at a time for all of them, again and again.

reconcile.py  pools to their number; the queue; sums; machines that nobody is at work on any more
watch.py      endpoints asked: do they answer, what is on them, are machines as they should be
reap.py       machines past their time, and idle ones
sweep.py      old rows, and working copies of machines that are gone
"""
