/*
 * The two texts that run inside a worker. They are texts because the worker must start from the built package and from the sources alike.
 *
 * WORKER_SOURCE runs in the worker's own realm. It makes a realm with nothing of Node in it, where code may not be made from text, and
 * moves lines of JSON between that realm and the server. Nothing but text crosses the border of the realms: a host object that
 * got through (an error, a promise, a function) would lead to the host's `process`.
 *
 * REALM_SOURCE runs first in the new realm and keeps the one way out, `post`, in a closure.
 */

export const REALM_SOURCE = `(function (post) {
  "use strict";
  const { parse, stringify } = JSON;
  const { create, defineProperty, keys } = Object;
  const isArray = Array.isArray;
  const text = String;
  const number = Number;
  const big = BigInt;
  const finite = Number.isFinite;
  const MyPromise = Promise;
  const waiting = create(null);
  let lastCall = 0;
  let underWay = 0;

  // Sizes of buffers are not counted by the worker's memory limit, so there are none.
  for (const name of ["ArrayBuffer", "SharedArrayBuffer", "DataView", "Atomics", "WebAssembly", "Int8Array", "Uint8Array", "Uint8ClampedArray",
    "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array",
    "WeakRef", "FinalizationRegistry", "console"]) delete globalThis[name];

  function send(message) {
    const line = stringify(message);
    // A stack that overflows inside post throws a host error: it must end here.
    try { post(line); } catch { throw new Error("the stack is too deep to reach the server"); }
  }
  function pack(value, depth) {
    if (depth > 200) throw new RangeError("a value nested deeper than 200 levels, or one that contains itself, cannot leave the namespace");
    if (value === undefined || value === null || typeof value === "boolean" || typeof value === "string") return value === undefined ? null : value;
    if (typeof value === "bigint") return { $: ["bigint", text(value)] };
    if (typeof value === "number") return finite(value) ? value : { $: ["number", text(value)] };
    if (typeof value !== "object") throw new TypeError("a " + typeof value + " cannot leave the namespace");
    if (isArray(value)) {
      const list = [];
      for (let i = 0; i < value.length; i += 1) list[i] = pack(value[i], depth + 1);
      return list;
    }
    const dict = create(null);
    for (const key of keys(value)) {
      if (key === "$") throw new TypeError("the key $ cannot leave the namespace");
      defineProperty(dict, key, { value: pack(value[key], depth + 1), enumerable: true });
    }
    return dict;
  }
  function unpack(value) {
    if (isArray(value)) {
      const list = [];
      for (let i = 0; i < value.length; i += 1) list[i] = unpack(value[i]);
      return list;
    }
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value.$)) return value.$[0] === "bigint" ? big(value.$[1]) : number(value.$[1]);
    const dict = {};
    for (const key of keys(value)) defineProperty(dict, key, { value: unpack(value[key]), enumerable: true, writable: true, configurable: true });
    return dict;
  }
  function describe(error) {
    try {
      if ((typeof error === "object" && error !== null) || typeof error === "function") return { name: text(error.name), message: text(error.message) };
      return { name: "Error", message: text(error) };
    } catch {
      return { name: "Error", message: "an error that cannot be described" };
    }
  }
  function fail(id, error) {
    send({ id, ok: false, error: describe(error) });
  }
  function succeed(id, value) {
    let packed;
    try { packed = pack(value, 0); } catch (error) { return fail(id, error); }
    send({ id, ok: true, value: packed });
  }
  function bridge(name, methods) {
    const object = {};
    for (const method of methods) {
      defineProperty(object, method, { enumerable: true, value: (...args) => new MyPromise((resolve, reject) => {
        if (underWay >= 1000) throw new RangeError("1000 calls to the server are under way already");
        const packed = pack(args, 0);
        lastCall += 1;
        underWay += 1;
        waiting[lastCall] = { resolve, reject };
        send({ bridge: name, method, call: lastCall, args: packed });
      }) });
    }
    return object;
  }
  function install(target, entries) {
    for (const key of keys(entries)) {
      const entry = entries[key];
      defineProperty(target, key, { writable: true, configurable: true, enumerable: true,
        value: entry.methods ? bridge(key, entry.methods) : unpack(entry.value) });
    }
  }
  const handlers = {
    install(message) {
      const shared = globalThis.controller_initial_namespace || {};
      install(shared, message.shared);
      install(globalThis, message.shared);
      install(globalThis, message.own);
      defineProperty(globalThis, "controller_initial_namespace", { value: shared, writable: true, configurable: true, enumerable: true });
      if (message.id) succeed(message.id, null);
    },
    answer(message) {
      const call = waiting[message.call];
      delete waiting[message.call];
      if (call === undefined) return;
      underWay -= 1;
      if (message.ok) return call.resolve(unpack(message.value));
      const error = new Error(message.error.message);
      error.name = message.error.name;
      call.reject(error);
    },
  };
  return {
    fail,
    succeed,
    deliver(line) { const message = parse(line); handlers[message.do](message); },
    apply(id, method, line) {
      const { args, kwargs } = parse(line);
      const given = unpack(args);
      if (keys(kwargs).length > 0) given.push(unpack(kwargs));
      // An async function of this realm: its promise is of this realm whatever the method returns.
      (async () => method(...given))().then((value) => succeed(id, value), (error) => fail(id, error));
    },
  };
})`;

export const WORKER_SOURCE = `"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const vm = require("node:vm");
const post = (line) => { parentPort.postMessage(String(line)); };
const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
const realm = new vm.Script(workerData.realm, { filename: "realm" }).runInContext(context)(post);
const refuse = (id, name, message) => post(JSON.stringify({ id, ok: false, error: { name, message } }));
const compile = (id, code, filename) => {
  try {
    return new vm.Script(code, { filename });
  } catch (error) {
    refuse(id, "SyntaxError", String(error.message));
    return undefined;
  }
};
parentPort.on("message", (line) => {
  const message = JSON.parse(line);
  if (message.do === "add_code") {
    const script = compile(message.id, message.code, "<added code>");
    if (script !== undefined) {
      try {
        script.runInContext(context);
        realm.succeed(message.id, null);
      } catch (error) {
        realm.fail(message.id, error);
      }
    }
  } else if (message.do === "call") {
    let method;
    try {
      method = new vm.Script("typeof " + message.name + ' === "function" ? ' + message.name + " : undefined").runInContext(context);
    } catch {
      method = undefined;
    }
    if (method === undefined) refuse(message.id, "KeyError", "'" + message.name + "'");
    else realm.apply(message.id, method, JSON.stringify({ args: message.args, kwargs: message.kwargs }));
  } else {
    realm.deliver(line);
  }
  // Comes only when the code has come to rest: a loop of promises would keep the turn for ever.
  setImmediate(() => parentPort.postMessage("idle"));
});
`;
