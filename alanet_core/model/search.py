"""Prototype; a helper writes the real one."""
import ctypes
import torch
from torch import Tensor
lib = ctypes.CDLL('/tmp/x/c/libsearch.so')
@torch.no_grad()
def search(earlier, later) -> Tensor:
    n=len(earlier); B=len(earlier[0])
    hs=(ctypes.c_int*n)(*[p.shape[-2] for p in earlier]);ws=(ctypes.c_int*n)(*[p.shape[-1] for p in earlier])
    pa=[p.contiguous() for p in earlier];pb=[p.contiguous() for p in later]
    out=torch.empty(B,4,*pa[0].shape[-2:])
    for k in range(B):
        A=(ctypes.c_void_p*n)(*[p[k].data_ptr() for p in pa]);C=(ctypes.c_void_p*n)(*[p[k].data_ptr() for p in pb])
        lib.search(n,hs,ws,A,C,ctypes.c_void_p(out[k].data_ptr()),0,2,4,1,ctypes.c_float(1e-3),ctypes.c_float(1/255),torch.get_num_threads() if hs[0]*ws[0]>20000 else 1)
    return out
