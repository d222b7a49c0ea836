"""Videos sent to the REST API: taken in, queued, scored in child processes, answered.

::

    request ──intake──► Job of one or more Work ──queue (bounded)──► ScoringProcess ──► answer
              (limits,        (state, progress,                       (a child: killed when it
            nameless files)    kept for a while)                     takes too long or too much)

Nothing in this package decodes video: what the child does is handed in, so that it needs no
decoder.
"""
