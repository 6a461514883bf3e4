"""Reads a delivery status notification with Python's email package and prints what it understood as JSON."""

import email
import email.policy
import json
import sys

with open(sys.argv[1], "rb") as file:
    message = email.message_from_binary_file(file, policy=email.policy.default)

parts = list(message.iter_parts())
status = parts[1].get_payload()
per_message, per_recipient = status[0], status[1]
returned = parts[2].get_content()
if isinstance(returned, str):
    returned = email.message_from_string(returned, policy=email.policy.default)
elif isinstance(returned, bytes):
    returned = email.message_from_bytes(returned, policy=email.policy.default)

defects = sum(len(part.defects) for part in message.walk())

print(
    json.dumps(
        {
            "returnPath": message["Return-Path"],
            "contentType": message.get_content_type(),
            "reportType": message.get_param("report-type"),
            "parts": [part.get_content_type() for part in parts],
            "reportingMta": per_message["Reporting-MTA"],
            "envid": per_message["Original-Envelope-Id"],
            "originalRecipient": per_recipient["Original-Recipient"],
            "finalRecipient": per_recipient["Final-Recipient"],
            "action": per_recipient["Action"],
            "status": per_recipient["Status"],
            "remoteMta": per_recipient["Remote-MTA"],
            "diagnosticType": per_recipient["Diagnostic-Code"].split(";")[0].strip(),
            "returnedSubject": returned["Subject"],
            "defects": defects,
        }
    )
)
