import type { ConnectionOptions, TlsOptions } from "node:tls";

/**
 * Who we are and whom we trust, all in PEM: sipyco's way of TLS. Both sides present a certificate and each trusts exactly the other's;
 * host names are not looked at.
 */
export interface TlsIdentity {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** The other side's certificate. */
  readonly peerCert: string | Uint8Array;
}

const pem = (value: string | Uint8Array): string | Buffer => (typeof value === "string" ? value : Buffer.from(value));

export function serverTlsOptions({ cert, key, peerCert }: TlsIdentity): TlsOptions {
  return { cert: pem(cert), key: pem(key), ca: pem(peerCert), requestCert: true, rejectUnauthorized: true };
}

export function clientTlsOptions({ cert, key, peerCert }: TlsIdentity): ConnectionOptions {
  return { cert: pem(cert), key: pem(key), ca: pem(peerCert), checkServerIdentity: () => undefined };
}
