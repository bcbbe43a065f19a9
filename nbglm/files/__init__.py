"""Fits as files: plain numbers and words, in an AnnData of its own or beside other data.

plain tables       nested lists and words as JSON with arrays beside; data frames as such
designs fits       what a fit is made of, taken apart and put together
document           the same with the number of its format, in whatever holds arrays
chunks             what a packed chunk would become
reading writing    what lies in HDF5 and zarr, looked at before it is believed; renamed when whole
annotating         numbers for the genes of an AnnData
saving             save() and to_anndata() as methods of results
"""
