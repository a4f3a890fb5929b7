import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { type Fields, fieldsOf } from "./fields.js";
import { orAborted } from "./or-aborted.js";

/** Who asks: a user of the service, or a bearer token of the identity provider that it trusts (EBRAINS). */
export type WebCredentials =
  | {
      readonly username: string;
      readonly password: string;
      /** `form` fills in the service's log-in page, for one that does not take HTTP Basic. Default `basic`. */
      readonly login?: "basic" | "form" | undefined;
    }
  | { readonly token: string };

export interface WebSessionOptions {
  readonly credentials: WebCredentials;
  /** For each answer; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Sends the credentials in clear text to a host that is not this one; default false. */
  readonly allowPlainHttp?: boolean | undefined;
}

export interface WebRequest {
  readonly query?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly text?: string | undefined;
  /** Fields of a form, encoded. */
  readonly form?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** On top of the usual time: for answers that the service holds back until something changes. */
  readonly extraMs?: number | undefined;
}

export interface WebAnswer {
  readonly status: number;
  readonly text: string;
}

/** Longest answer taken. The description of a machine of 1200 boards is some 200 kB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * Requests to the newer spalloc service, logged in. A session that ran out (after 30 minutes without use) is renewed once per request, and
 * the request sent again: a refused one was not carried out. Credentials that were refused are never sent again, since the service locks an
 * account for a day after three wrong passwords.
 */
export class WebSession {
  /** The resources, ending in `/srv/spalloc/`. */
  readonly root: URL;
  readonly where: string;
  /** How a session is begun; also for the thread that keeps jobs alive. */
  readonly logIn: LogIn;
  readonly #base: URL;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #entering: Promise<Record<string, string>> | undefined;
  #refused: SpinnError | undefined;

  /** `url` is the base of the service: `https://host/spalloc/`. Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_REFUSED` (plain http). */
  constructor(url: string, options: WebSessionOptions) {
    const base = URL.canParse(url) ? new URL(url) : undefined;
    if (base === undefined || !["http:", "https:"].includes(base.protocol)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(withoutCredentials(url))} is no address of a spalloc service`, {
        hint: "https://host/spalloc/",
      });
    }
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(base.hostname);
    if (base.protocol === "http:" && !loopback && options.allowPlainHttp !== true) {
      const hint = "use https, or set allowPlainHttp where the network is trusted";
      throw new SpinnError("ERR_SPINN_REFUSED", `credentials would go to ${base.host} in clear text`, { hint });
    }
    [base.username, base.password, base.search, base.hash] = ["", "", "", ""];
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    this.#base = base;
    this.root = new URL("srv/spalloc/", base);
    this.where = base.host;
    this.logIn = logInOf(base, options.credentials);
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  /** Logs in. Throws `ERR_SPINN_REMOTE` when refused, `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_PROTOCOL`. */
  async enter(signal?: AbortSignal): Promise<void> {
    await this.#headers(signal);
  }

  /**
   * One request to a path below {@link root}. Answers of 2xx and 404, 410 are returned; others throw `ERR_SPINN_REMOTE` with the service's words.
   */
  async request(method: "GET" | "POST" | "PUT" | "DELETE", path: string, request: WebRequest = {}): Promise<WebAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      const entering = this.#entering;
      const answer = await this.#send(method, path, await this.#headers(request.signal), request);
      // 403 is also what a change without the token of a living session gets.
      const expired = answer.status === 401 || (answer.status === 403 && method !== "GET");
      if (expired && attempt === 1) {
        if (this.#entering === entering) this.#entering = undefined;
        continue;
      }
      if ((answer.status >= 200 && answer.status < 300) || answer.status === 404 || answer.status === 410) return answer;
      throw this.#refusal(`${method} ${path}`, answer);
    }
  }

  /** Opens a WebSocket below the base of the service: `open` gets its address and headers, a second time when the session had run out. */
  async socket<T>(
    path: string,
    open: (url: URL, headers: Readonly<Record<string, string>>) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const url = new URL(path, this.#base);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    for (let attempt = 1; ; attempt += 1) {
      const headers = await this.#headers(signal);
      try {
        return await open(url, headers);
      } catch (error) {
        const status = (error as { readonly cause?: { readonly status?: unknown } }).cause?.status;
        if (attempt > 1 || (status !== 401 && status !== 403)) throw error;
        this.#entering = undefined;
      }
    }
  }

  /** Ends every request under way with `ERR_SPINN_CLOSED`. Idempotent. */
  close(): void {
    this.#closing.abort(new SpinnError("ERR_SPINN_CLOSED", `the client of ${this.where} was closed`));
  }

  #headers(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (this.#refused !== undefined) return Promise.reject(this.#refused);
    if (this.#entering === undefined) {
      const entering = this.#logIn();
      this.#entering = entering;
      entering.catch(() => {
        if (this.#entering === entering) this.#entering = undefined;
      });
    }
    return orAborted(this.#entering, signal);
  }

  /** The root hands out the cookie of a session (unless there is one already), and the token that every change has to carry. */
  async #logIn(): Promise<Record<string, string>> {
    const { authorization } = this.logIn;
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    if (this.logIn.page !== undefined) headers["cookie"] = await this.#visitPage(headers);
    const cookies: string[] = [];
    const answer = await this.#send("GET", this.root, headers, {}, cookies);
    if (answer.status === 401 || answer.status === 403) throw this.#lockedOut(answer);
    if (answer.status !== 200) throw this.#refusal("the log-in", answer);
    const fields = jsonOf(answer, "the root of the service");
    const version = fieldsOf(fields["version"], "the version of the service");
    if (typeof version["major-version"] !== "number") throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.where} tells no version`);
    if (cookies.length > 0) headers["cookie"] = cookieOf(cookies);
    const [name, token] = [fields["csrf-header"], fields["csrf-token"]];
    if (typeof name === "string" && typeof token === "string" && /^[\w-]+$/.test(name)) headers[name] = token;
    return headers;
  }

  /** The log-in page gives a session to a token, and to whoever fills in its form; resolves with the session's cookie. */
  async #visitPage(headers: Readonly<Record<string, string>>): Promise<string> {
    const { page, form } = this.logIn;
    const cookies: string[] = [];
    const shown = await this.#send("GET", new URL(page!), headers, {}, cookies);
    if (shown.status === 401 || shown.status === 403) throw this.#lockedOut(shown);
    if (shown.status >= 400) throw this.#refusal("the log-in page", shown);
    if (form === undefined) return cookieOf(cookies);
    const token = hiddenField(shown.text, "_csrf");
    if (token === undefined) throw new SpinnError("ERR_SPINN_PROTOCOL", `the log-in page of ${this.where} has no form that is known here`);
    const after: string[] = [];
    const body = new URLSearchParams({ _csrf: token, ...form.fields, submit: "submit" }).toString();
    const answer = await this.#send("POST", new URL(form.url), { cookie: cookieOf(cookies) }, { form: body }, after);
    // Whoever is let in gets a new session and is sent on; the others get a page again, without one.
    if (after.length === 0 || answer.status >= 400) throw this.#lockedOut(answer);
    return cookieOf(after);
  }

  #lockedOut({ text }: WebAnswer): SpinnError {
    const hint = "mind that three wrong passwords lock an account for a day";
    this.#refused = new SpinnError("ERR_SPINN_REMOTE", `${this.where} refused the log-in: ${brief(text)}`, { hint });
    return this.#refused;
  }

  async #send(
    method: string,
    path: string | URL,
    headers: Readonly<Record<string, string>>,
    request: WebRequest,
    cookies: string[] = [],
  ): Promise<WebAnswer> {
    const { signal, json, text, form, query = {}, extraMs = 0 } = request;
    throwIfAborted(signal);
    const url = new URL(path, this.root);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const body = form ?? (json === undefined ? text : JSON.stringify(json));
    const kind = form !== undefined ? "application/x-www-form-urlencoded" : json === undefined ? "text/plain" : "application/json";
    const timeout = AbortSignal.timeout(this.#timeoutMs + extraMs);
    try {
      const answer = await fetch(url, {
        method,
        headers: { ...headers, accept: "application/json, text/plain", ...(body === undefined ? {} : { "content-type": kind }) },
        body: body ?? null,
        // A redirection would carry the credentials to wherever it points.
        redirect: "manual",
        signal: AbortSignal.any([timeout, this.#closing.signal, ...(signal ? [signal] : [])]),
      });
      cookies.push(...answer.headers.getSetCookie());
      return { status: answer.status, text: await bodyOf(answer) };
    } catch (cause) {
      if (signal?.aborted) throw abortError(signal);
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
      if (timeout.aborted)
        throw new SpinnError("ERR_SPINN_TIMEOUT", `no answer to ${method} ${url.pathname} from ${this.where} in time`, { cause });
      if (cause instanceof SpinnError) throw cause;
      const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw new SpinnError("ERR_SPINN_UNREACHABLE", `cannot reach the spalloc service at ${this.where}: ${why}`, { cause });
    }
  }

  #refusal(request: string, { status, text }: WebAnswer): SpinnError {
    return new SpinnError("ERR_SPINN_REMOTE", `${this.where} refused ${request} with status ${status}: ${brief(text)}`, { request });
  }
}

export function jsonOf(answer: WebAnswer, what: string): Fields {
  try {
    return fieldsOf(JSON.parse(answer.text), what);
  } catch (cause) {
    if (cause instanceof SpinnError) throw cause;
    const hint = "is the address that of a spalloc service? https://host/spalloc/";
    throw new SpinnError("ERR_SPINN_PROTOCOL", `${what} is not JSON: ${brief(answer.text)}`, { cause, hint });
  }
}

/** An address for people to read, also one that is no URL: what stands before an @ may be a password. */
export function withoutCredentials(address: string): string {
  return address.replace(/^(\w+:\/\/)?.*@/s, "$1***@");
}

/** How a session is begun. Plain values: a thread that shares nothing with this one does the same. */
export interface LogIn {
  /** Header of every request; undefined where the session's cookie alone counts. */
  readonly authorization: string | undefined;
  /** The log-in page, where the session begins there. */
  readonly page: string | undefined;
  /** What to send to the page's form. */
  readonly form: { readonly url: string; readonly fields: { readonly username: string; readonly password: string } } | undefined;
}

function logInOf(base: URL, credentials: WebCredentials): LogIn {
  const page = new URL("system/login.html", base).href;
  if ("token" in credentials) return { authorization: `Bearer ${credentials.token}`, page, form: undefined };
  const { username, password } = credentials;
  if (credentials.login === "form") {
    const url = new URL("system/perform_login", base).href;
    return { authorization: undefined, page, form: { url, fields: { username, password } } };
  }
  const authorization = `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
  return { authorization, page: undefined, form: undefined };
}

function cookieOf(cookies: readonly string[]): string {
  return cookies.map((cookie) => cookie.split(";", 1)[0]!).join("; ");
}

/** The value of a hidden field of a page, whatever the order of its attributes. */
function hiddenField(page: string, name: string): string | undefined {
  for (const [tag] of page.matchAll(/<input\b[^>]*>/gi)) {
    const attribute = (which: string): string | undefined => new RegExp(`\\b${which}\\s*=\\s*"([^"]*)"`, "i").exec(tag)?.[1];
    if (attribute("name") === name) return attribute("value");
  }
  return undefined;
}

async function bodyOf(answer: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (answer.body === null) return "";
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes > MAX_ANSWER_BYTES) throw new SpinnError("ERR_SPINN_PROTOCOL", `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function brief(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > 200 ? `${line.slice(0, 197)}...` : line || "without a word";
}
