"""A letter as HTML, as text and as the bytes of a mail. Pure: no I/O and no clock."""
