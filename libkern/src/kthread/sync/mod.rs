//! What kthreads sleep on.
