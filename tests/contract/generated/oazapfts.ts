// oazapfts' client: every operation is called.
import * as api from "./oaz";

const [url, image] = process.argv.slice(2);
api.defaults.baseUrl = url;
const check = (what: string, ok: boolean) => { if (!ok) throw new Error(what); };

const one = await api.predict({ image }, { include: ["image"] });
check("predict", one.status === 200 && one.data.label === "1" && one.data.image !== undefined);
const wrong = await api.predict({ image: "AAAA" }, {});
check("problem", wrong.status === 415 && (wrong.data as api.ProblemDetails).detail.length > 0);
const batch = await api.predictBatch({ images: [image, "AAAA"] }, {});
check("batch", batch.status === 200 && "prediction" in batch.data.results[0] && "problem" in batch.data.results[1]);
const given = await api.giveFeedback({ image, label: "1", consent: true }, {});
if (given.status !== 201) throw new Error("give");
const kept = await api.getFeedback(given.data.id, {});
check("kept", kept.status === 200 && kept.data.label === "1");
check("forgotten", (await api.deleteFeedback(given.data.id, {})).status === 204);
const health = await api.health({});
check("health", health.status === 200 && health.data.status === "ok");
check("ready", (await api.ready({})).status === 200);
check("openapi", (await api.openapi({})).status === 200);
check("docs", Number((await api.docs({})).status) === 200);
check("root", Number((await api.root({})).status) === 200);
check("problems", Number((await api.problem("blank-image", {})).status) === 200);
