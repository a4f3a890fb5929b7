export { BoardEngine, type BoardEngineOptions, type BoardEngineState, startBoardEngines } from "./board-engine.js";
export type { BoardMethodsOptions, BoardWork, BoardWorkContext } from "./board-methods.js";
export { type Board, type OverBoardsOptions, overBoards } from "./over-boards.js";
