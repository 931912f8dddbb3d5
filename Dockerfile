# Image of the app. docker build -t twenty-watts . && docker run --rm -p 8501:8501 twenty-watts
# The file system may be read-only and the user is not root; compose.yaml runs it so.
FROM python:3.13-slim AS build
WORKDIR /source
COPY .deploy/requirements.txt .deploy/
COPY pyproject.toml README.md LICENSE NOTICE app.py ./
COPY .streamlit .streamlit
COPY estimator estimator
COPY profiles profiles
RUN python -m venv /opt/app \
    && /opt/app/bin/pip install --no-cache-dir --require-hashes -r .deploy/requirements.txt \
    && /opt/app/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/app /opt/app
RUN useradd --system --uid 10001 --no-create-home watts
USER watts
ENV PATH=/opt/app/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 TWENTY_WATTS_DATA=/tmp/twenty-watts
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["twenty-watts", "app", "--no-browser", "--host", "0.0.0.0"]
CMD ["--max-sessions", "100"]
