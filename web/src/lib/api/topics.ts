/** What the stream tells of (`Notice.topic`), and one thing told. */
export type Topic = "finding" | "scan" | "waiver" | "event" | "audit" | "source" | "token";
export interface Told {
  topic: Topic;
  data: Record<string, unknown>;
}
