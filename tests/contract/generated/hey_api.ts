// hey-api's client: every operation is called.
import { client } from "./hey/client.gen";
import * as api from "./hey/sdk.gen";

const [url, image] = process.argv.slice(2);
client.setConfig({ baseUrl: url });
const check = (what: string, ok: boolean) => { if (!ok) throw new Error(what); };

const one = await api.predict({ body: { image }, query: { include: ["image"] } });
check("predict", one.data?.label === "1" && one.data.image !== undefined);
const wrong = await api.predict({ body: { image: "AAAA" } });
check("problem", wrong.error !== undefined && wrong.error.status === 415);
const batch = await api.predictBatch({ body: { images: [image, "AAAA"] } });
const [first, second] = batch.data?.results ?? [];
check("batch", "prediction" in first && first.prediction.label === "1" && "problem" in second && second.problem.status === 415);
const given = await api.giveFeedback({ body: { image, label: "1", consent: true } });
const path = { feedback_id: given.data!.id };
check("kept", (await api.getFeedback({ path })).data?.label === "1");
check("forgotten", (await api.deleteFeedback({ path })).response?.status === 204);
check("health", (await api.health()).data?.status === "ok");
check("ready", (await api.ready()).data?.model.name === "digits");
check("openapi", (await api.openapi()).data !== undefined);
check("docs", (await api.docs()).response?.status === 200);
check("root", (await api.root()).response?.url.endsWith("/docs") === true);
check("problems", (await api.problem({ path: { slug: "blank-image" } })).response?.ok === true);
