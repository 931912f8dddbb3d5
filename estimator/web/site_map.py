"""Pages of the site, in navigation order and groups."""

from estimator.web.accuracy import page as accuracy
from estimator.web.brain import page as brain
from estimator.web.calibrate import page as calibrate
from estimator.web.capacity import page as capacity
from estimator.web.claims import page as claims
from estimator.web.compare import page as compare
from estimator.web.depth import page as depth
from estimator.web.estimate import page as estimate
from estimator.web.exercises import page as exercises
from estimator.web.explore import page as explore
from estimator.web.hardware import page as hardware
from estimator.web.home import page as home
from estimator.web.levers import page as levers
from estimator.web.method import page as method
from estimator.web.models import page as models
from estimator.web.plan import page as plan
from estimator.web.question import page as question
from estimator.web.report import page as report
from estimator.web.scaling import page as scaling
from estimator.web.serve import page as serve
from estimator.web.trends import page as trends

PAGES = (
    home.PAGE,
    estimate.PAGE,
    compare.PAGE,
    explore.PAGE,
    plan.PAGE,
    report.PAGE,
    question.PAGE,
    serve.PAGE,
    capacity.PAGE,
    models.PAGE,
    hardware.PAGE,
    calibrate.PAGE,
    claims.PAGE,
    brain.PAGE,
    scaling.PAGE,
    trends.PAGE,
    levers.PAGE,
    depth.PAGE,
    exercises.PAGE,
    accuracy.PAGE,
    method.PAGE,
)
