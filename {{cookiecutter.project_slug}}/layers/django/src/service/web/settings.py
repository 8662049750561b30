"""Django's settings: only what a service without database, sessions or templates uses.

The service's own settings are in ``service/settings.py``.
"""

ALLOWED_HOSTS = ["*"]  # which names lead here is the ingress's concern
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the middleware bounds every body: MAX_BODY_BYTES
DEBUG = False
LOGGING_CONFIG = None  # service/logs.py sets logging up
MIDDLEWARE = ["service.web.errors.ProblemMiddleware"]
ROOT_URLCONF = "service.web.urls"
TIME_ZONE = "UTC"
USE_I18N = False
