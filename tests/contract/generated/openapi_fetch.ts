// openapi-typescript's types with openapi-fetch: every operation is called; a wrong name or shape does not compile.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

const [url, image] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: url });
const check = (what: string, ok: boolean) => { if (!ok) throw new Error(what); };

const one = await api.POST("/predictions", { body: { image }, params: { query: { include: ["image"] } } });
check("predict", one.data?.label === "1" && one.data.image !== undefined && one.data.model.served_by === "embedded");
const wrong = await api.POST("/predictions", { body: { image: "AAAA" } });
check("problem", wrong.error?.status === 415 && wrong.error.detail.length > 0);
const batch = await api.POST("/predictions/batch", { body: { images: [image, "AAAA"] } });
const [first, second] = batch.data?.results ?? [];
check("batch", "prediction" in first && first.prediction.label === "1" && "problem" in second && second.problem.status === 415);
const given = await api.POST("/feedback", { body: { image, label: "1", consent: true } });
const params = { path: { feedback_id: given.data!.id } };
check("kept", (await api.GET("/feedback/{feedback_id}", { params })).data?.label === "1");
check("forgotten", (await api.DELETE("/feedback/{feedback_id}", { params })).response.status === 204);
check("health", (await api.GET("/health")).data?.status === "ok");
check("ready", (await api.GET("/ready")).data?.model.name === "digits");
check("openapi", (await api.GET("/openapi.json")).data !== undefined);
check("docs", (await api.GET("/docs", { parseAs: "text" })).response.status === 200);
check("root", (await api.GET("/", { parseAs: "text" })).response.url.endsWith("/docs"));
const slug = { path: { slug: "blank-image" } } as const;
check("problems", (await api.GET("/problems/{slug}", { params: slug, parseAs: "text" })).response.ok);
