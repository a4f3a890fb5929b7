export { Broadcaster, type BroadcasterOptions } from "./broadcaster.js";
export { Listener, type ListenerOptions } from "./listener.js";
export { applyChange, type Change, type Mod, type Path } from "./mod.js";
export { type ChangeListener, Notifier, updateFromDict } from "./notifier.js";
export { Publisher, type PublisherOptions } from "./publisher.js";
export { Receiver } from "./receiver.js";
export { type NotifyCallback, Subscriber } from "./subscriber.js";
