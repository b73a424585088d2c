"""Other packages' names for what is here; each is asked for by importing its module.

:mod:`thunderlike.compat.thunder` lets packages and scripts written for Thunder import it as
``thunder``; :mod:`thunderlike.compat.datadings` has the modules of datadings. Nothing else in the
package imports this room.
"""
