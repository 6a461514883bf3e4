"""Submits standard input with STARTTLS and a login, as an application in Python would.

submit.py PORT CA_FILE USERNAME SECRET SENDER RECIPIENT
"""

import smtplib
import ssl
import sys

port, ca_file, username, secret, sender, recipient = sys.argv[1:]
context = ssl.create_default_context(cafile=ca_file)
content = sys.stdin.buffer.read()


class Submission(smtplib.SMTP):
    """Connects to loopback, but checks the certificate for the relay's name."""

    def starttls(self, *, context):
        self._host = "relay.hermetic.test"
        return super().starttls(context=context)


with Submission("127.0.0.1", int(port), local_hostname="app.origin.test", timeout=30) as smtp:
    smtp.starttls(context=context)
    smtp.login(username, secret)
    smtp.sendmail(sender, [recipient], content, mail_options=["BODY=8BITMIME"])
