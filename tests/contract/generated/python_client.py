"""openapi-python-client's client: every operation is called."""

import sys

from client import Client
from client.api.feedback import delete_feedback, get_feedback, give_feedback
from client.api.predictions import predict, predict_batch
from client.api.service import docs, health, openapi, problem, ready, root
from client.models import Feedback, ImageBody, ImagesBody, PredictIncludeItem, ProblemSlug

url, image = sys.argv[1:]
api = Client(url, follow_redirects=True)
one = predict.sync(client=api, body=ImageBody(image), include=[PredictIncludeItem.IMAGE])
assert one.label == "1"
assert one.image
wrong = predict.sync(client=api, body=ImageBody("AAAA"))
assert wrong.status == 415
first, second = predict_batch.sync(client=api, body=ImagesBody([image, "AAAA"])).results
assert first.prediction.label == "1"
assert second.problem.status == 415
given = give_feedback.sync(client=api, body=Feedback(image, "1", True))
assert get_feedback.sync(given.id, client=api).label == "1"
assert delete_feedback.sync_detailed(given.id, client=api).status_code == 204
assert health.sync(client=api).status == "ok"
assert ready.sync(client=api).model.name == "digits"
calls = [lambda ask=each: ask.sync_detailed(client=api) for each in (openapi, docs, root)]
calls.append(lambda: problem.sync_detailed(ProblemSlug("blank-image"), client=api))
for call in calls:
    assert call().status_code == 200
