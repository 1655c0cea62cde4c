"""The HTTP service: the live page, REST, a WebSocket of results, MJPEG, metrics and health.

Routes, all errors as RFC 9457 problem details (`errors.py`):

| | |
|---|---|
| `GET /`, `/docs`, `/static/...` | the live page, the API's reference, their files |
| `GET /healthz`, `/readyz`, `/metrics` | it lives; it is ready; Prometheus figures |
| `GET /api/v1/openapi.json` | the description for client generators |
| `GET /api/v1/status` | device, overlay, source, rates, latency, hardware counters |
| `GET`, `PATCH /api/v1/settings` | passes K, smallest margin, paused |
| `GET /api/v1/sources`, `PUT /api/v1/source` | what can be watched; watch it |
| `POST /api/v1/classify`, `POST /api/v1/pad` | photographs and digits as files; a drawing |
| `GET /api/v1/detections/latest`, `GET /api/v1/detections?since=N` | the newest; every one since |
| `WS /api/v1/detections/stream` | detections as they come, with pictures and class maps |
| `GET /api/v1/snapshot.jpg`, `/api/v1/stream.mjpeg` | the annotated picture |
| `POST /api/v1/recordings`, `GET /api/v1/recordings/{id}/...` | slow motion: the last seconds, frozen |
| `GET /api/v1/overlays`, `POST /api/v1/overlays/{name}/load` | those offered; load one |
| `GET /api/v1/overlay/card` | figures and card of the loaded one |
"""
