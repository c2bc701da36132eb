"""The cluster: jobs on GPUs, and the promoted model set reaching the workers.

edge    api.py (Kubernetes), prometheus.py, following.py, job_logs.py, submission.py, refresh.py
pure    manifests.py, jobs.py, job_state.py, deployment.py, judgement.py, rollout.py
Must not know: photos, arrays, networks.
"""
