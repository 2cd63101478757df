/** What the stream tells of (`Notice.topic`), and what was told of one: how many notices, and the
 * newest of them (at most 20). Both are empty after a gap: ask again for everything. */
export type Topic = "finding" | "scan" | "waiver" | "event" | "incident" | "response" | "alert" | "admission" | "policy" | "audit" | "source" | "token" | "advisory" | "proposal";
export interface Told {
  topic: Topic;
  count: number;
  items: Record<string, unknown>[];
}
