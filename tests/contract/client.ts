// A client that uses the types generated from the contract. It is compiled but not run: what compiles here compiles for any
// client with generated types.

import createClient, { type Client } from "openapi-fetch";

import type { components, paths, webhooks } from "./contract.d.ts";

type Schemas = components["schemas"];

const api: Client<paths> = createClient<paths>({ baseUrl: "http://127.0.0.1:8255" });

// Asserts the type of a value and uses it.
function is<T>(value: T): T {
  return value;
}

function never(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}

// Every type of event. The discriminator `type` is required.
const common = { id: "e1", trackId: "track-1", sessionId: "session-1", timestamp: "2026-11-30T09:00:00.000Z" };
export const events: Schemas["Event"][] = [
  { ...common, type: "play", source: "search", duration: 45 },
  { ...common, type: "like", action: "unlike" },
  { ...common, type: "save", action: "save", playlistId: "mix" },
  { ...common, type: "share", platform: "copy_link" },
  { ...common, type: "download" },
];
// @ts-expect-error an event has a type
is<Schemas["Event"]>({ ...common, source: "search" });
// @ts-expect-error a save names its playlist
is<Schemas["Event"]>({ ...common, type: "save", action: "save" });

export function summarize(event: Schemas["Event"]): string {
  switch (event.type) {
    case "play":
      return event.source;
    case "like":
    case "save":
      return event.action;
    case "share":
      return event.platform;
    case "download":
      return event.trackId;
    default:
      return never(event);
  }
}

// An operation for anonymous callers, with a batch in both forms.
export async function send(): Promise<number> {
  const headers = { "x-write-key": "key" };
  const { data, response } = await api.POST("/api/stats/events", { body: events, headers });
  await api.POST("/api/stats/events", { body: { events }, headers });
  const retries = data?.rejected.filter((rejected) => rejected.reason === "retry").map((rejected) => rejected.index);
  return response.status === 207 ? (retries?.length ?? 0) : 0;
}

// A path, a precondition and a body.
export async function describe(): Promise<string | undefined> {
  const { data, error } = await api.PUT("/api/tracks/{trackId}", {
    params: { path: { trackId: "track-1" }, header: { "If-None-Match": "*" } },
    body: { title: "First light", durationSeconds: 240 },
  });
  if (error) return undefined;
  return is<string>(data.title);
}

// Counters, analytics and a dashboard, with the same names.
export async function read(): Promise<number> {
  const track = await api.GET("/api/tracks/{trackId}", { params: { path: { trackId: "track-1" } } });
  const analytics = await api.GET("/api/stats/analytics", {
    params: { query: { trackId: "track-1", timeRange: "7d", metric: ["plays", "likes"], interval: "day", compare: "previous" } },
  });
  const dashboard = await api.GET("/api/dashboard/stats", { params: { query: { timeRange: "30d" } } });
  const counters = track.data?.counters;
  const plays = analytics.data?.metrics.plays;
  const average: number | null | undefined = plays?.averageCompletionRate ?? counters?.averageCompletionRate;
  const bySearch: number | undefined = plays?.sourceBreakdown.search;
  const last = dashboard.data?.series.points.at(-1)?.totalPlays;
  return (counters?.totalPlays ?? 0) + (counters?.netLikes ?? 0) + (average ?? 0) + (bySearch ?? 0) + (last ?? 0);
}

// A package with an id of the client.
export const newPackage: Schemas["NewPackage"] = {
  packageId: "starters",
  creatorId: "teacher-1",
  title: "Starters",
  price: 500,
  currency: "USD",
  quizIds: ["capitals", "rivers"],
};
// @ts-expect-error a package has a price
is<Schemas["NewPackage"]>({ packageId: "starters", title: "Starters", currency: "USD" });

// A purchase with its required fields; `status` and `quantity` have defaults.
export const newPurchase: Schemas["NewPurchase"] = {
  itemType: "course",
  itemId: "algebra",
  amount: 4900,
  currency: "USD",
  paymentMethod: "card",
};

// A purchase with its key, and the problem of a refused one.
export async function createPurchase(): Promise<string> {
  const { data, error, response } = await api.POST("/api/purchases", {
    params: { header: { "Idempotency-Key": "order-1" } },
    body: newPurchase,
  });
  if (data) return data.purchaseId;
  if (!("requestId" in error)) return "rejected by the gateway";
  if (response.status === 409 && error.purchaseId !== undefined) return error.purchaseId;
  return error.errors?.map((invalid) => `${invalid.field} ${invalid.reason}`).join(", ") ?? error.detail;
}

// @ts-expect-error a purchase requires a key
export const withoutKey = (): unknown => api.POST("/api/purchases", { body: newPurchase });

// All pages of a list.
export async function listPurchases(): Promise<Schemas["Purchase"][]> {
  const purchases: Schemas["Purchase"][] = [];
  let cursor: string | undefined;
  do {
    const query = { from: "2026-01-01", to: "2026-01-31", limit: 100, ...(cursor === undefined ? {} : { cursor }) };
    const { data } = await api.GET("/api/purchases", { params: { query } });
    purchases.push(...(data?.purchases ?? []));
    cursor = data?.cursor ?? undefined;
  } while (cursor !== undefined);
  return purchases;
}

// Several values of one parameter.
export async function checkOwnership(): Promise<boolean[]> {
  const query = { itemType: "course" as const, itemId: ["algebra", "logic"], strong: true };
  const { data } = await api.GET("/api/purchases/owned", { params: { query } });
  return data?.items.map((item) => item.owned) ?? [];
}

// A partial update, a request without a body, and a deletion without a response body.
export async function update(): Promise<void> {
  await api.PATCH("/api/enrollments", { body: { courseId: "algebra", studentId: "sam", status: "active" } });
  await api.POST("/api/purchases/{purchaseId}/complete", { params: { path: { purchaseId: "p1" } } });
  const { data, error } = await api.DELETE("/api/packages/{packageId}", {
    params: { path: { packageId: "starters" }, header: { "If-Match": '"v1"' } },
  });
  if (!error) is<undefined>(data);
}

// The discriminator of discounts is `type`.
export const discounts: Schemas["DiscountDescription"][] = [
  { type: "percent", percent: 10, validFrom: "2026-12-01T00:00:00Z", validTo: "2027-01-01T00:00:00Z" },
  { type: "fixed", amount: 500, currency: "USD", maxUses: 100 },
];

// Live events.
type EventData<Name extends keyof webhooks> = webhooks[Name] extends {
  post: { requestBody?: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;
export function onNewNotification(data: EventData<"new-notification">): string {
  return `${data.timestamp} ${data.title} ${data.notificationId}`;
}
export function onLeaderboardUpdate(data: EventData<"leaderboard-update">): string[] {
  return data.sales.map((entry) => entry.sellerId);
}
