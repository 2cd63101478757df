"""How the packages of the Python index are called in ``import`` statements.

Three sources, the surest first: what an environment in the tree says of itself, a table of our own
of those that are called otherwise than their package (facts that every such package's archive
tells), and the name itself. A name of one word is taken as the module's; for others many spellings
are tried, and where none is imported nothing is said.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

_TABLE = """
absl-py absl
aiohttp-jinja2 aiohttp_jinja2
antlr4-python3-runtime antlr4
apache-airflow airflow
apache-superset superset
argon2-cffi argon2
attrs attr attrs
azure-core azure.core
azure-identity azure.identity
azure-storage-blob azure.storage.blob
backports-zoneinfo backports.zoneinfo
beautifulsoup4 bs4
bitvector BitVector
boolean-py boolean
cairosvg cairosvg
cherrypy cherrypy
clickhouse-driver clickhouse_driver
couchdb couchdb
cyclonedx-python-lib cyclonedx
cython Cython cython pyximport
discord-py discord
django django
django-allauth allauth
django-ckeditor ckeditor
django-cors-headers corsheaders
django-crispy-forms crispy_forms
django-debug-toolbar debug_toolbar
django-environ environ
django-extensions django_extensions
django-filter django_filters
django-guardian guardian
django-haystack haystack
django-import-export import_export
django-jet jet
django-mptt mptt
django-oauth-toolkit oauth2_provider
django-picklefield picklefield
django-redis django_redis
django-rest-framework rest_framework
django-storages storages
django-tastypie tastypie
django-two-factor-auth two_factor
django-unicorn django_unicorn
djangorestframework rest_framework
djangorestframework-simplejwt rest_framework_simplejwt
dnspython dns
docker-py docker
elasticsearch-dsl elasticsearch_dsl
email-validator email_validator
enum34 enum
et-xmlfile et_xmlfile
faiss-cpu faiss
fastapi fastapi
flask-appbuilder flask_appbuilder
flask-cors flask_cors
flask-restx flask_restx
flask-security-too flask_security
flask-user flask_user
fonttools fontTools
functools32 functools32
future future builtins past libfuturize libpasteurize
gitpython git
google-api-core google.api_core
google-api-python-client googleapiclient apiclient
google-auth google.auth google.oauth2
google-cloud-bigquery google.cloud.bigquery
google-cloud-storage google.cloud.storage
google-re2 re2
googleapis-common-protos google.api google.rpc google.type google.logging
graphql-core graphql
grpcio grpc
grpcio-tools grpc_tools
gunicorn gunicorn
html5lib html5lib
imagemagick wand
importlib-metadata importlib_metadata
ipython IPython
jaraco-context jaraco.context
jaraco-functools jaraco.functools
jinja2 jinja2
jupyter-core jupyter_core
jupyter-server jupyter_server
jwcrypto jwcrypto
kafka-python kafka
keystonemiddleware keystonemiddleware
ldap3 ldap3
lxml-html-clean lxml_html_clean lxml.html.clean
mako mako
markdown markdown
markdown-it-py markdown_it
markdown2 markdown2
markupsafe markupsafe
matrix-nio nio
matrix-synapse synapse
mistune mistune
mock mock
msgpack-python msgpack
mxnet-mkl mxnet
mysql-connector-python mysql mysqlx
mysqlclient MySQLdb
nbconvert nbconvert
newrelic newrelic
notebook notebook
oauthlib oauthlib
opencv-contrib-python cv2
opencv-contrib-python-headless cv2
opencv-python cv2
opencv-python-headless cv2
opentelemetry-api opentelemetry
opentelemetry-sdk opentelemetry.sdk
packageurl-python packageurl
paddlepaddle paddle
paste paste
pdfminer-six pdfminer
phonenumberslite phonenumbers
pillow PIL
pillow-simd PIL
pip pip
plone-restapi plone.restapi
products-cmfplone Products.CMFPlone
prompt-toolkit prompt_toolkit
protobuf google.protobuf
psycopg2 psycopg2
psycopg2-binary psycopg2
py py
py-cpuinfo cpuinfo
pyaes pyaes
pyasn1-modules pyasn1_modules
pycrypto Crypto
pycryptodome Crypto
pycryptodomex Cryptodome
pydantic-core pydantic_core
pyelftools elftools
pygithub github
pygments pygments
pyjwt jwt
pymongo pymongo bson gridfs
pymysql pymysql
pynacl nacl
pyopengl OpenGL
pyopenssl OpenSSL
pypdf2 PyPDF2
pyqt5 PyQt5
pyqt6 PyQt6
pyramid pyramid
pysaml2 saml2
pyserial serial
pysocks socks sockshandler
pyspark pyspark
pytest pytest _pytest
pytest-cov pytest_cov
pytest-xdist xdist
python-cas cas
python-dateutil dateutil
python-docx docx
python-dotenv dotenv
python-engineio engineio
python-gitlab gitlab
python-gnupg gnupg
python-jose jose
python-json-logger pythonjsonlogger
python-jwt python_jwt jwt
python-keystoneclient keystoneclient
python-ldap ldap ldif ldapurl slapdtest
python-levenshtein Levenshtein
python-louvain community
python-magic magic
python-memcached memcache
python-multipart multipart python_multipart
python-pptx pptx
python-rapidjson rapidjson
python-slugify slugify
python-snappy snappy
python-socketio socketio
python-telegram-bot telegram
python3-openid openid
python3-saml onelogin
pytorch-lightning pytorch_lightning
pytz pytz
pywin32 win32api win32con win32com pythoncom pywintypes win32file win32security
pyxdg xdg
pyyaml yaml _yaml
pyzmq zmq
rdflib rdflib
redis redis
reportlab reportlab
requests-oauthlib requests_oauthlib
rpds-py rpds
rsa rsa
ruamel-yaml ruamel.yaml
scikit-image skimage
scikit-learn sklearn
sentry-sdk sentry_sdk
service-identity service_identity
setuptools setuptools pkg_resources
sklearn sklearn
smart-open smart_open
social-auth-app-django social_django
social-auth-core social_core
speechrecognition speech_recognition
sphinx sphinx
sqlalchemy sqlalchemy
sqlalchemy-utils sqlalchemy_utils
sqlparse sqlparse
starlette starlette
swift swift
tensorflow tensorflow
tensorflow-cpu tensorflow
tensorflow-gpu tensorflow
tf-nightly tensorflow
torch torch functorch
twisted twisted
typing-extensions typing_extensions
tzlocal tzlocal
ujson ujson
urllib3 urllib3
websocket-client websocket
werkzeug werkzeug
wheel wheel
xmltodict xmltodict
yubico-client yubico_client
zodb ZODB
zope zope
"""
"""Package, then its modules."""
_WORD = re.compile(r"[a-z][a-z0-9]+\Z")
_AFFIXES = re.compile(r"^(?:python3?|py|django|flask|pytest|lib)-|-(?:python3?|py|lib|binary|api)$")
_SHARED = """azure google opentelemetry zope backports jaraco ruamel sphinxcontrib paste plone
Products mpl_toolkits oslo_  flufl repoze collective lxml aliyunsdkcore twisted.plugins"""


class Modules(msgspec.Struct, frozen=True):
    """Modules of a package. ``sure``: if none of these is imported, the package is not."""

    names: tuple[str, ...]
    sure: bool


@cache
def _table() -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in _TABLE.strip().splitlines())
    return {name: tuple(modules) for name, *modules in rows}


@cache
def roots_of_namespaces() -> frozenset[str]:
    """Top modules that several packages share."""
    dotted = {
        name.partition(".")[0] for names in _table().values() for name in names if "." in name
    }
    return frozenset(_SHARED.split()) | dotted


def modules_of(name: str, installed: dict[str, tuple[str, ...]] | None = None) -> Modules:
    """The modules of a package by its normalised name."""
    told = (installed or {}).get(name) or _table().get(name)
    if told:
        return Modules(told, True)
    if _WORD.match(name):
        return Modules((name, f"py{name}") if not name.startswith("py") else (name, name[2:]), True)
    bare = _AFFIXES.sub("", name) or name
    spelt = dict.fromkeys(
        (
            *(one.replace("-", "_") for one in (name, bare)),
            *(one.replace("-", ".") for one in (name, bare)),
            *(one.replace("-", "") for one in (name, bare)),
        )
    )
    return Modules(tuple(spelt), False)
