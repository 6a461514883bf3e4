"""
OpenSSL's own DANE verdict on chains and TLSA records, without a handshake: libssl and libcrypto are called directly.

Reads one JSON object a line: { now, chain: [base64 DER], tlsa: [[usage, selector, matching type, base64]], names }.
Writes one a line: { ok, error, depth, lastDepth, text, usable, weakLeaf }. The verification is set up as a TLS client of OpenSSL
does it (purpose and security level of a server's chain, DANE-EE without name checks as RFC 7672 has it, no common
names, no partial wildcards), with an empty trust store.

OpenSSL measures the leaf's key before it looks at any record. When it finds it too short for security level 2, it is
asked again at level 0, and `weakLeaf` says so.
"""

import base64
import ctypes
import ctypes.util
import json
import sys


def library(name):
    try:
        return ctypes.CDLL(f"lib{name}.so.3")
    except OSError:
        return ctypes.CDLL(ctypes.util.find_library(name))


crypto = library("crypto")
ssl = library("ssl")

POINTER = ctypes.c_void_p
NO_DANE_EE_NAMECHECKS = 1
NO_PARTIAL_WILDCARDS = 0x4
NEVER_CHECK_SUBJECT = 0x20
EE_KEY_TOO_SMALL = 66
SECURITY_LEVEL = 2


def declare(owner, name, result, *arguments):
    function = getattr(owner, name)
    function.restype = result
    function.argtypes = arguments
    return function


OpenSSL_version = declare(crypto, "OpenSSL_version", ctypes.c_char_p, ctypes.c_int)
ERR_clear_error = declare(crypto, "ERR_clear_error", None)
d2i_X509 = declare(crypto, "d2i_X509", POINTER, POINTER, POINTER, ctypes.c_long)
X509_free = declare(crypto, "X509_free", None, POINTER)
sk_new_null = declare(crypto, "OPENSSL_sk_new_null", POINTER)
sk_push = declare(crypto, "OPENSSL_sk_push", ctypes.c_int, POINTER, POINTER)
sk_free = declare(crypto, "OPENSSL_sk_free", None, POINTER)
X509_STORE_new = declare(crypto, "X509_STORE_new", POINTER)
CTX_new = declare(crypto, "X509_STORE_CTX_new", POINTER)
CTX_free = declare(crypto, "X509_STORE_CTX_free", None, POINTER)
CTX_init = declare(crypto, "X509_STORE_CTX_init", ctypes.c_int, POINTER, POINTER, POINTER, POINTER)
CTX_set0_dane = declare(crypto, "X509_STORE_CTX_set0_dane", None, POINTER, POINTER)
CTX_set_default = declare(crypto, "X509_STORE_CTX_set_default", ctypes.c_int, POINTER, ctypes.c_char_p)
CTX_get0_param = declare(crypto, "X509_STORE_CTX_get0_param", POINTER, POINTER)
CTX_get_error = declare(crypto, "X509_STORE_CTX_get_error", ctypes.c_int, POINTER)
CTX_get0_chain = declare(crypto, "X509_STORE_CTX_get0_chain", POINTER, POINTER)
sk_num = declare(crypto, "OPENSSL_sk_num", ctypes.c_int, POINTER)
CTX_get_error_depth = declare(crypto, "X509_STORE_CTX_get_error_depth", ctypes.c_int, POINTER)
X509_verify_cert = declare(crypto, "X509_verify_cert", ctypes.c_int, POINTER)
error_string = declare(crypto, "X509_verify_cert_error_string", ctypes.c_char_p, ctypes.c_long)
PARAM_set1 = declare(crypto, "X509_VERIFY_PARAM_set1", ctypes.c_int, POINTER, POINTER)
PARAM_set_time = declare(crypto, "X509_VERIFY_PARAM_set_time", None, POINTER, ctypes.c_long)
PARAM_set_auth_level = declare(crypto, "X509_VERIFY_PARAM_set_auth_level", None, POINTER, ctypes.c_int)
TLS_client_method = declare(ssl, "TLS_client_method", POINTER)
SSL_CTX_new = declare(ssl, "SSL_CTX_new", POINTER, POINTER)
SSL_CTX_dane_enable = declare(ssl, "SSL_CTX_dane_enable", ctypes.c_int, POINTER)
SSL_CTX_dane_set_flags = declare(ssl, "SSL_CTX_dane_set_flags", ctypes.c_ulong, POINTER, ctypes.c_ulong)
SSL_new = declare(ssl, "SSL_new", POINTER, POINTER)
SSL_free = declare(ssl, "SSL_free", None, POINTER)
SSL_dane_enable = declare(ssl, "SSL_dane_enable", ctypes.c_int, POINTER, ctypes.c_char_p)
SSL_add1_host = declare(ssl, "SSL_add1_host", ctypes.c_int, POINTER, ctypes.c_char_p)
SSL_set_hostflags = declare(ssl, "SSL_set_hostflags", None, POINTER, ctypes.c_uint)
SSL_get0_dane = declare(ssl, "SSL_get0_dane", POINTER, POINTER)
SSL_get0_param = declare(ssl, "SSL_get0_param", POINTER, POINTER)
SSL_dane_tlsa_add = declare(
    ssl,
    "SSL_dane_tlsa_add",
    ctypes.c_int,
    POINTER,
    ctypes.c_uint8,
    ctypes.c_uint8,
    ctypes.c_uint8,
    ctypes.c_char_p,
    ctypes.c_size_t,
)

context = SSL_CTX_new(TLS_client_method())
assert SSL_CTX_dane_enable(context) == 1
SSL_CTX_dane_set_flags(context, NO_DANE_EE_NAMECHECKS)
store = X509_STORE_new()


def certificate(der):
    start = ctypes.c_char_p(der)
    at = ctypes.cast(ctypes.pointer(start), POINTER)
    read = d2i_X509(None, at, len(der))
    ERR_clear_error()
    return read


def connection(case):
    client = SSL_new(context)
    first, *more = case["names"]
    assert SSL_dane_enable(client, first.encode()) == 1
    SSL_set_hostflags(client, NO_PARTIAL_WILDCARDS | NEVER_CHECK_SUBJECT)
    for name in more:
        assert SSL_add1_host(client, name.encode()) == 1
    usable = 0
    for usage, selector, matching_type, text in case["tlsa"]:
        octets = base64.b64decode(text)
        usable += SSL_dane_tlsa_add(client, usage, selector, matching_type, octets, len(octets)) == 1
    ERR_clear_error()
    return client, usable


def last_depth(verification):
    """Where the chain that was built ends: at the anchor, when there is one."""
    return sk_num(CTX_get0_chain(verification)) - 1


def verify(case, chain, level):
    client, usable = connection(case)
    untrusted = sk_new_null()
    for one in chain:
        sk_push(untrusted, one)
    verification = CTX_new()
    assert CTX_init(verification, store, chain[0], untrusted) == 1
    CTX_set0_dane(verification, SSL_get0_dane(client))
    CTX_set_default(verification, b"ssl_server")
    parameters = CTX_get0_param(verification)
    PARAM_set_auth_level(parameters, level)
    PARAM_set1(parameters, SSL_get0_param(client))
    PARAM_set_time(parameters, case["now"])
    ok = X509_verify_cert(verification) == 1
    error = CTX_get_error(verification)
    answer = {
        "ok": ok and usable > 0,
        "error": error,
        "depth": CTX_get_error_depth(verification),
        "lastDepth": last_depth(verification),
        "text": error_string(error).decode(),
        "usable": usable,
    }
    CTX_free(verification)
    sk_free(untrusted)
    SSL_free(client)
    ERR_clear_error()
    return answer


def judge(case):
    chain = [certificate(base64.b64decode(text)) for text in case["chain"]]
    if None in chain or not chain:
        # Such a handshake would have failed.
        answer = {"ok": False, "error": -1, "depth": -1, "lastDepth": -1, "text": "a certificate cannot be read", "usable": 0}
        weak = False
    else:
        answer = verify(case, chain, SECURITY_LEVEL)
        weak = answer["error"] == EE_KEY_TOO_SMALL
        if weak:
            answer = verify(case, chain, 0)
    for one in chain:
        if one is not None:
            X509_free(one)
    return {**answer, "weakLeaf": weak}


print(OpenSSL_version(0).decode(), flush=True)
for line in sys.stdin:
    print(json.dumps(judge(json.loads(line))), flush=True)
