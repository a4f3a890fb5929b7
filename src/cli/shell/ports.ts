/** Where CMD_TUBE text goes: tubotron listens there. */
export const tubePort = 17892;
