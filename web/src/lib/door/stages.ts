// How far a policy's rollout has come, by the day (UTC, as the server counts).
import type { PolicyStage } from "../api/types";

export const today = (now: number): string => new Date(now).toISOString().slice(0, 10);

/** The last stage that has begun; before the first, policies observe. */
export const stageNow = (stages: readonly PolicyStage[], day: string): PolicyStage | undefined => stages.findLast((one) => one.begins <= day);
export const stageNext = (stages: readonly PolicyStage[], day: string): PolicyStage | undefined => stages.find((one) => one.begins > day);
