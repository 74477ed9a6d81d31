"""TLS to an endpoint: docker's ca.pem, cert.pem and key.pem, and plain words for what goes wrong.

The TLS state machine runs on memory buffers and not on the socket itself: that is what gives
TLS a half-close (needed to end an exec's standard input) without a race against data that is
on its way, and one way of waiting for all transports.
"""

from __future__ import annotations

import contextlib
import ssl

from dinv.engine.wire.byte_stream import ByteStream
from dinv.errors import EndpointTLSError, EndpointUnreachable
from dinv.system.files import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.errors import DinvError
    from dinv.system.deadline import Deadline

_RECORD = 65536

# verify_code of OpenSSL (x509_vfy.h) -> its meaning for a user.
_VERIFY = {
    9: "its certificate is not valid yet; compare the clocks of both sides",
    10: "its certificate has expired, or the clock of this computer is wrong",
    18: "its certificate is self-signed and not by the CA given{ca}",
    19: "its certificate was signed by another CA than the one given{ca}",
    20: "its certificate was signed by another CA than the one given{ca}",
    21: "its certificate was signed by another CA than the one given{ca}",
    62: 'its certificate is not for the name "{host}"',
    64: "its certificate is not for the address {host}",
}

_WANTS_ONE = "it wants a client certificate and none was given"
_REFUSED = "it refused our client certificate"

# Part of OpenSSL's reason -> its meaning. Alerts are named after TLS versions (SSLV3_ALERT_...,
# TLSV1_ALERT_..., TLSV13_ALERT_...), so only the ends of the names are compared.
_REASONS = (
    ("CERTIFICATE_REQUIRED", _WANTS_ONE),
    ("ALERT_CERTIFICATE_EXPIRED", "it refused our client certificate: expired"),
    ("ALERT_CERTIFICATE_REVOKED", "it refused our client certificate: revoked"),
    ("ALERT_CERTIFICATE_UNKNOWN", "it refused our client certificate"),
    ("ALERT_UNSUPPORTED_CERTIFICATE", "it refused our client certificate: not one for clients"),
    ("ALERT_UNKNOWN_CA", "it refused our client certificate: signed by a CA it does not know"),
    # Go before 1.21 says this of any certificate it cannot verify, and if there is none.
    ("ALERT_BAD_CERTIFICATE", "it refused our client certificate; another CA may have signed it"),
    ("ALERT_DECRYPT_ERROR", "it refused our client certificate: the signature is wrong"),
    ("ALERT_ACCESS_DENIED", "it refused our client certificate: access denied"),
    ("ALERT_HANDSHAKE_FAILURE", "it wants a client certificate, or has no cipher in common with us"),
    ("PROTOCOL_VERSION", "it does not speak TLS 1.2 or newer"),
    ("UNSUPPORTED_PROTOCOL", "it does not speak TLS 1.2 or newer"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS on this port, more likely plain HTTP"),
    ("RECORD_LAYER_FAILURE", "it does not speak TLS on this port, more likely plain HTTP"),
    ("HTTP_REQUEST", "it does not speak TLS on this port, more likely plain HTTP"),
    ("UNRECOGNIZED_NAME", 'it does not know the name "{host}"'),
)


CHECK = "dinv-check"
"""The ALPN protocol by which a machine's front knows a client that uses nothing (images/README.md)."""


def client_context(files: TLSFiles, address: str) -> ssl.SSLContext:
    """Make the TLS settings from docker's three files.

    TLS 1.2 at least. Without a CA file the system's CAs are used. With `verify` off (docker's `--tls`) the
    server is not verified, but our certificate is still sent. Raises EndpointTLSError if a file is missing,
    unreadable or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (files.ca, files.cert, files.key):
        if path is not None:
            _check_readable(path, address)
    if not files.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif files.ca_text:
        context.load_verify_locations(cadata=files.ca_text)
    elif files.ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cafile=files.ca)
        except ssl.SSLError as exc:
            raise EndpointTLSError(address, f"{files.ca} has no CA certificate in PEM form") from exc
    if files.cert is not None:
        _load_pair(context, files.cert, files.key, address)
    if files.only_looks:
        # A server of Go's ends the handshake with a client that offers only what it does not know.
        context.set_alpn_protocols([CHECK, "http/1.1"])
    return context


def _check_readable(path: str, address: str) -> None:
    try:
        check(path)
    except OSError as exc:
        raise EndpointTLSError(address, f"{path}: {exc.strerror}") from exc


def _load_pair(context: ssl.SSLContext, cert: str, key: str | None, address: str) -> None:
    try:
        # An encrypted key would make OpenSSL ask on the terminal: give it a wrong answer instead.
        context.load_cert_chain(cert, key, password=lambda: "-")
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            reason = f"{key} is not the key of the certificate {cert}"
        else:
            reason = (
                f"{cert} and {key or 'no key file'} are not a certificate and its unencrypted key in PEM form"
            )
        raise EndpointTLSError(address, reason) from exc


def explain(exc: ssl.SSLError, host: str, files: TLSFiles) -> str:
    """Return in plain words what a TLS error means."""
    ca = "" if files.ca_text else f" ({files.ca})" if files.ca else " (the system's CAs)"
    if isinstance(exc, ssl.SSLCertVerificationError):
        text = _VERIFY.get(exc.verify_code, f"its certificate does not verify: {exc.verify_message}")
        return text.format(ca=ca, host=host)
    reason = (exc.reason or "").upper().replace(" ", "_")
    for part, text in _REASONS:
        if part in reason:
            # A certificate that was not sent cannot be refused.
            if files.cert is None and text.startswith(_REFUSED):
                return _WANTS_ONE
            return text.format(ca=ca, host=host)
    return reason.replace("_", " ").lower() or str(exc)


class TLSByteStream(ByteStream):
    """A stream with TLS on it. Call `handshake` first."""

    def __init__(
        self, sock: socket.socket, address: str, context: ssl.SSLContext, host: str, files: TLSFiles
    ) -> None:
        super().__init__(sock, address)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._host = host
        self._files = files
        self._unsent = memoryview(b"")
        self._plain = bytearray()
        self._ended = False

    def handshake(self, deadline: Deadline, what: str) -> None:
        """Do the handshake. Raises EndpointTLSError, EndpointUnreachable, DeadlineExceeded."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as exc:
                self._flush_if_possible()
                raise EndpointTLSError(self.address, explain(exc, self._host, self._files)) from exc
            else:
                done = True
            try:
                while not self.flush():
                    self.wait(deadline, what, write=True)
                if done:
                    return
                filled = self._fill()
            except OSError as exc:
                raise EndpointUnreachable(
                    self.address, f"it closed the connection in the TLS handshake ({exc.strerror})"
                ) from exc
            if filled is None:
                deadline.raise_if_expired(what)
                self.wait(deadline, what, read=True)
            elif not filled:
                # A port forwarder with nothing behind it does this: it has nothing to do with certificates.
                raise EndpointUnreachable(self.address, "it closed the connection in the TLS handshake")

    def certificate(self) -> bytes:
        """Return the other side's certificate, DER; b"" if it has sent none."""
        return self._tls.getpeercert(binary_form=True) or b""

    def _flush_if_possible(self) -> None:
        """Send TLS's own messages (an alert, an answer to a key update) if possible without waiting."""
        try:
            self.flush()
        except OSError:
            return

    def _fill(self) -> bool | None:
        """Take bytes from the socket: True for some, False at the end, None if there are none yet."""
        try:
            data = self.sock.recv(_RECORD)
        except BlockingIOError:
            return None
        if data:
            self._incoming.write(data)
            return True
        self._incoming.write_eof()
        return False

    def pending(self) -> int:
        """Bytes in our buffers; some of them may be TLS's own and give no data."""
        return len(self._plain) + self._tls.pending() + self._incoming.pending

    def try_recv(self, size: int) -> bytes | None:
        """Receive what is there: None when nothing is yet, b"" at the end of the stream."""
        if self._plain:
            data = bytes(self._plain[:size])
            del self._plain[:size]
            return data
        return self._decrypt(size)

    def _decrypt(self, size: int, *, fill: bool = True) -> bytes | None:
        while not self._ended:
            try:
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                self._flush_if_possible()
                if not fill or self._fill() is None:
                    return None
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                self._ended = True
            except ssl.SSLError as exc:
                raise EndpointTLSError(self.address, explain(exc, self._host, self._files)) from exc
            else:
                self._ended = not data
                self.answered = self.answered or bool(data)
                return data
        return b""

    def try_send(self, data: bytes | memoryview) -> int:
        """Encrypt and send; at most one record is held back (see `flush`)."""
        if not self.flush():
            return 0
        try:
            taken = self._tls.write(data[:_RECORD])
        except ssl.SSLError as exc:
            raise EndpointTLSError(self.address, explain(exc, self._host, self._files)) from exc
        self.flush()
        return taken

    def flush(self) -> bool:
        """Hand encrypted bytes to the socket; True when none is left."""
        while self._unsent or self._outgoing.pending:
            if not self._unsent:
                self._unsent = memoryview(self._outgoing.read())
            try:
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
            except BlockingIOError:
                return False
        return True

    def lost(self, what: str, exc: OSError | None = None) -> DinvError:
        """Return the error that says why the stream broke off during `what`.

        With TLS 1.3 a server reads our certificate after the handshake is over for us, so one that hangs up
        before its first answer has most likely refused it.
        """
        if self.answered:
            return super().lost(what, exc)
        return EndpointTLSError(
            self.address,
            "it hung up right after the handshake; most likely it refused our client certificate"
            if self._files.cert
            else "it hung up right after the handshake; most likely it wants a client certificate",
        )

    def close_write(self) -> None:
        """Send TLS's close_notify, which Go takes for the end of the stream; reading goes on."""
        # What has come in is read first: OpenSSL refuses to shut down over unread data. More cannot
        # come in between, for the buffers are ours.
        while data := self._decrypt(_RECORD, fill=False):
            self._plain += data
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # "Want read": it would now wait for the other side's close_notify. So do we, by reading.
            self._flush_if_possible()
        else:
            self._flush_if_possible()

    def close(self) -> None:
        """Say that it is over, if that can be said without waiting, and close. May be called again.

        What passes the bytes on may keep its own connection to the other side open: that is only told so by
        TLS's close_notify (RFC 8446, 6.1).
        """
        if self.sock.fileno() >= 0:
            with contextlib.suppress(EndpointTLSError):
                self.close_write()
        super().close()
