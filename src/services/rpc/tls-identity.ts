import { X509Certificate } from "node:crypto";
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureContextOptions, type TlsOptions } from "node:tls";
import { SpinnError } from "../../errors.js";

/** Who we are, to the other side: certificate and key in PEM. */
interface OwnCertificate {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
}

/** A server's side of TLS, all in PEM. */
export interface TlsServerIdentity extends OwnCertificate {
  /**
   * Certificates of clients, or of the authorities that have issued them: any other client is refused, as sipyco does. Default none: whoever
   * connects is served, over a connection that nobody else can read.
   */
  readonly peerCert?: string | Uint8Array | undefined;
}

/** A client's side of TLS, all in PEM. */
export interface TlsClientIdentity extends Partial<OwnCertificate> {
  /**
   * Certificates to trust: the server's own (then its name is not looked at, as in sipyco), or those of authorities (then the name in its
   * certificate must be the one that was connected to). Default: the authorities that Node knows.
   */
  readonly peerCert?: string | Uint8Array | undefined;
}

const pem = (value: string | Uint8Array): string | Buffer => (typeof value === "string" ? value : Buffer.from(value));
const given = (value: string | Uint8Array | undefined): string | Buffer | undefined => (value === undefined ? undefined : pem(value));

/** Throws `ERR_SPINN_ARGUMENT` for what is no certificate or key, and for two that do not belong together. */
export function serverTlsOptions({ cert, key, peerCert }: TlsServerIdentity): TlsOptions {
  const own = { cert: pem(cert), key: pem(key) };
  check({ ...own, ca: given(peerCert) });
  return peerCert === undefined ? own : { ...own, ca: pem(peerCert), requestCert: true, rejectUnauthorized: true };
}

/** Throws as {@link serverTlsOptions}. */
export function clientTlsOptions(host: string, { cert, key, peerCert }: TlsClientIdentity): ConnectionOptions {
  const own = { cert: given(cert), key: given(key), ca: given(peerCert) };
  check(own);
  const pinned = peerCert === undefined ? new Set<string>() : fingerprints(pem(peerCert).toString("latin1"));
  return {
    ...own,
    checkServerIdentity: (_, certificate) => (pinned.has(certificate.fingerprint256) ? undefined : checkServerIdentity(host, certificate)),
  };
}

function check(options: SecureContextOptions): void {
  try {
    createSecureContext(options);
    if (options.ca !== undefined && fingerprints(String(options.ca)).size === 0) throw new Error("no certificate to trust is in it");
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `TLS: ${(cause as Error).message}`, {
      cause,
      hint: "certificates and keys are PEM texts (-----BEGIN ...), and a certificate goes with its own key",
    });
  }
}

function fingerprints(text: string): Set<string> {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return new Set(blocks.map((block) => new X509Certificate(block).fingerprint256));
}
