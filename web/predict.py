"""`POST /predict`: from pictures to the most likely classes of each."""

from collections.abc import Sequence

from flask import Blueprint, Response, jsonify, request

from errors import ServiceError
from http_server.wsgi import CLIENT_GONE
from jobs.protocol import JobResult, Prediction
from settings import Settings
from telemetry.request_record import RequestRecord
from web.access import Access
from web.classification import Classification, Classified
from web.problem_details import problem_of_picture, problem_response
from web.request_scope import current_request
from web.uploads import uploaded_pictures


def create_predict(settings: Settings, access: Access, classification: Classification) -> Blueprint:
    """Return the route that classifies pictures."""
    blueprint = Blueprint("predict", __name__)

    @blueprint.post("/predict")
    def predict() -> Response:
        client = access.check(request.headers.get("Authorization", ""), request.remote_addr or "")
        pictures, is_single = uploaded_pictures(settings)
        record = current_request()
        record.pictures = len(pictures)
        if len(pictures) > 1:
            access.count_others(client, len(pictures))
        classified = classification.classify(pictures, record, request.environ.get(CLIENT_GONE, _never))
        return _answer_to_one(classified[0]) if is_single else _answer_to_several(classified, record)

    return blueprint


def _answer_to_one(classified: Classified) -> Response:
    if isinstance(classified.outcome, ServiceError):
        # Not raised, since it would have to be detached again.
        return problem_response(classified.outcome)
    return _with_timing(jsonify(_result(classified)))


def _answer_to_several(classified: Sequence[Classified], record: RequestRecord) -> Response:
    """Answer with a list; where no picture got classes, as the problem of the one with the highest status."""
    results = [_result(each) for each in classified]
    errors = [each.outcome for each in classified if isinstance(each.outcome, ServiceError)]
    record.failed = len(errors)
    if len(errors) == len(results):
        return problem_response(max(errors, key=lambda error: error.status), results=results)
    return _with_timing(jsonify(success=True, id=record.id, results=results))


def _result(classified: Classified) -> dict[str, object]:
    if isinstance(classified.outcome, ServiceError):
        return problem_of_picture(classified.outcome, classified.id)
    return _classes(classified.outcome, classified.id) | ({"cached": True} if classified.cached else {})


def _classes(result: JobResult, name: str) -> dict[str, object]:
    return {
        "success": True,
        "id": name,
        "model": result.model,
        "precision": result.precision,
        "predictions": [_prediction(each) for each in result.predictions],
    }


def _prediction(prediction: Prediction) -> dict[str, object]:
    """Return a class without what its worker did not tell, because it is of an earlier version."""
    return {name: value for name, value in vars(prediction).items() if value is not None}


def _never() -> bool:
    return False


def _with_timing(response: Response) -> Response:
    """Tell where the time went, in milliseconds: https://www.w3.org/TR/server-timing/.

    `queue` is all of the wait that was not inference: in Redis, on the way, and for the batch to start.
    """
    record = current_request()
    stages = [f"{name};dur={seconds * 1000:.1f}" for name, seconds in record.timing.items()] or ["cache;desc=hit"]
    response.headers["Server-Timing"] = ", ".join([*stages, f"total;dur={record.seconds * 1000:.1f}"])
    return response
