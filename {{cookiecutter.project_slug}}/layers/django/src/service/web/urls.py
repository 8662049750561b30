"""Which view answers which path."""

from django.urls import path

from service.web import model_views, views

urlpatterns = [
    path("", views.page),
    *model_views.urlpatterns,
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("metrics", views.metrics),
    path("openapi.json", views.openapi),
    path("docs", views.docs),
    path("static/<str:name>", views.static),
]

handler404 = "service.web.errors.not_found"
handler500 = "service.web.errors.unexpected"
