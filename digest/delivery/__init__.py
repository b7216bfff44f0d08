"""Moving letters to inboxes: SMTP and Maildir behind one port."""
